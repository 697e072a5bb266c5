// Loaded by Node before a program, see fast_bindings.py: makes the index file of a cdktf
// provider, which requires every file of the package, require each of them when it is used;
// and spares cdktf itself some work. What is not exactly as expected is left as it is.
"use strict";

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

/** Write one line of a file anew; undefined where it is not there, or more depends on it. */
function changed(line, instead, other) {
  return (source) => {
    const [before, after, ...more] = source.split(line);
    if (after === undefined || more.length || other?.test(before + after)) {
      return undefined;
    }
    return before + instead + after;
  };
}

const CHANGES = [
  [/[/\\]@cdktf[/\\]provider-[^/\\]+[/\\]lib[/\\]index\.js$/, lazily],
  // Libraries of cdktf's own: one for assets that are archives, one to compare versions.
  [
    /[/\\]cdktf[/\\]lib[/\\]private[/\\]fs\.js$/,
    changed(
      'const archiver = require("archiver");\n',
      'const archiver = (...options) => require("archiver")(...options);\n',
      /\barchiver\b(?!\()/,
    ),
  ],
  [
    /[/\\]cdktf[/\\]lib[/\\]validations[/\\]validate-binary-version\.js$/,
    changed(
      'const semver = require("semver");\n',
      'const semver = { satisfies: (...them) => require("semver").satisfies(...them) };\n',
      /\bsemver\b(?!\.satisfies\()/,
    ),
  ],
  // Where each value was made, for error texts: a fifth of the time of a large app, and from
  // Python it is always the same place inside jsii.
  [
    /[/\\]cdktf[/\\]lib[/\\]tokens[/\\]private[/\\]stack-trace\.js$/,
    changed(
      '    const object = { stack: "" };\n',
      '    return [];\n    const object = { stack: "" };\n',
    ),
  ],
];

const { registerHooks } = require("node:module");
if (typeof registerHooks === "function") {
  // Node 22.15 and later.
  registerHooks({
    load(url, context, nextLoad) {
      const result = nextLoad(url, context);
      const change = CHANGES.find(([pattern]) => pattern.test(url))?.[1];
      if (change === undefined || result.format === "module") {
        return result;
      }
      const source = change(String(result.source ?? ""));
      return source === undefined ? result : { ...result, source };
    },
  });
}
