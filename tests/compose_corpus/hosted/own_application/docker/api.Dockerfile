ARG NODE_VERSION=20
FROM node:${NODE_VERSION}-alpine AS deps
WORKDIR /app
COPY package.json ./
RUN --mount=type=cache,target=/root/.npm echo installed > /app/node_modules

FROM deps AS build
ARG GIT_SHA
COPY src ./src
COPY <<TEXT /app/greeting
hello from ${GIT_SHA}
TEXT

FROM node:${NODE_VERSION}-alpine AS production
WORKDIR /app
COPY --from=build /app /app
COPY --from=shared version /app/shared/version
