// Loaded by Node before a program, see fast_bindings.py: makes the index file of a cdktf
// provider, which requires every file of the package, require each of them when it is used.
// What is not exactly as expected is left as it is.
"use strict";

const INDEX = /[/\\]@cdktf[/\\]provider-[^/\\]+[/\\]lib[/\\]index\.js$/;
const EXPORT = /^exports\.(\w+) = require\("(\.\/[\w./-]+)"\);$/;
const WITHOUT_EFFECT = [
  /^$/,
  /^"use strict";$/,
  /^(\/\*\*| \*|\/\/)/, // comments, the reference to a source map too
  /^Object\.defineProperty\(exports, "__esModule", \{ value: true \}\);$/,
  /^(exports\.\w+ = )+void 0;$/,
];

/** Write such an index file anew; give undefined where it does anything unknown. */
function lazily(source) {
  const files = {};
  for (const line of source.split("\n")) {
    const found = EXPORT.exec(line);
    if (found) {
      files[found[1]] = found[2];
    } else if (!WITHOUT_EFFECT.some((pattern) => pattern.test(line))) {
      return undefined;
    }
  }
  return `"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
for (const [name, file] of Object.entries(${JSON.stringify(files)})) {
  Object.defineProperty(exports, name, {
    enumerable: true,
    configurable: true,
    get: () => require(file),
  });
}
`;
}

const ARCHIVES = /[/\\]cdktf[/\\]lib[/\\]private[/\\]fs\.js$/;
const ARCHIVER = 'const archiver = require("archiver");\n';

/** The same for cdktf's library for archives, which only assets that are archives need. */
function withoutArchiver(source) {
  const [before, after, ...more] = source.split(ARCHIVER);
  // It may be called, and nothing else.
  if (after === undefined || more.length || /\barchiver\b(?!\()/.test(before + after)) {
    return undefined;
  }
  return `${before}const archiver = (...options) => require("archiver")(...options);\n${after}`;
}

const { registerHooks } = require("node:module");
if (typeof registerHooks === "function") {
  // Node 22.15 and later.
  registerHooks({
    load(url, context, nextLoad) {
      const result = nextLoad(url, context);
      const change = INDEX.test(url) ? lazily : ARCHIVES.test(url) ? withoutArchiver : undefined;
      if (change === undefined || result.format === "module") {
        return result;
      }
      const source = change(String(result.source ?? ""));
      return source === undefined ? result : { ...result, source };
    },
  });
}
