// Loaded by Node before a program, see fast_bindings.py: makes the index file of a cdktf
// provider, which requires every file of the package, require each of them when it is used;
// and spares jsii a process and cdktf some work. What is not exactly as expected is left as it is.
"use strict";

const {
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} = require("node:fs");
const { registerHooks } = require("node:module");
const { join } = require("node:path");

const EXPORT = /^exports\.(\w+) = require\("(\.\/[\w./-]+)"\);$/;
const WITHOUT_EFFECT = [
  /^$/,
  /^"use strict";$/,
  /^(\/\*\*| \*|\/\/)/, // comments, the reference to a source map too
  /^Object\.defineProperty\(exports, "__esModule", \{ value: true \}\);$/,
  /^(exports\.\w+ = )+void 0;$/,
];

/** Write such an index file anew; return undefined where it does anything unknown. */
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

const CHANNEL = "readFD:3,writeFD:3";
const SPAWN = /stdio:\["ignore","pipe","pipe","pipe"\]/;
const PRESERVED = /(^| )--preserve-symlinks( |$)/;
let isOneProcess = false;

/**
 * jsii's runtime is a process that starts another and hands every line on, so that what is
 * printed does not get among the answers. In one process it goes to standard error at once, in
 * the form in which the first one would have sent it there.
 */
function inOneProcess(source, url) {
  const program = new URL("../lib/program.js", url);
  isOneProcess =
    SPAWN.test(source) &&
    PRESERVED.test(process.env.NODE_OPTIONS) &&
    existsSync(program) &&
    readFileSync(program, "utf8").split(CHANNEL).length === 2;
  if (!isOneProcess) {
    return undefined;
  }
  return `"use strict";
const { writeSync } = require("node:fs");
const { Writable } = require("node:stream");
for (const [name, fd] of [["stdout", 1], ["stderr", 2]]) {
  const write = (chunk, encoding, done) => {
    writeSync(2, JSON.stringify({ [name]: chunk.toString("base64") }) + "\\n");
    done();
  };
  const stream = Object.assign(new Writable({ write }), { fd });
  Object.defineProperty(process, name, { get: () => stream });
}
process.execArgv.push("--preserve-symlinks"); // The runtime looks there for what NODE_OPTIONS says.
require("../lib/program.js");
`;
}

const DIGEST = "digestFile(e,...p){return readFileChunks(e,()=>{},...p)}";
const REMEMBERED = "digestFile(e,...p){return moorDigest(e,p,()=>readFileChunks(e,()=>{},...p))}";
const DEFINITIONS = '(0,ae.readFileSync)(se(this,V,"f"))';

function runtimeOfOneProcess(source) {
  if (!isOneProcess) {
    return undefined;
  }
  globalThis.moorDigest = remembered;
  globalThis.moorDefinitions = definitions;
  return source
    .replace(CHANNEL, "readFD:0,writeFD:1")
    .replace(DIGEST, REMEMBERED)
    .replace(DEFINITIONS, 'moorDefinitions(se(this,V,"f"))');
}

/**
 * The definitions of a provider's types, of which jsii asks for a line here and there: 35 MB. It asks
 * for the same few lines with each resource, so they are kept.
 */
function definitions(path) {
  const file = openSync(path, "r");
  const lines = new Map();
  return {
    toString(encoding, begin, end) {
      let line = lines.get(begin);
      if (line === undefined) {
        const bytes = Buffer.alloc(end - begin);
        readSync(file, bytes, 0, bytes.length, begin);
        line = bytes.toString(encoding);
        lines.set(begin, line);
      }
      return line;
    },
  };
}

/**
 * jsii finds an unpacked provider by the digest of its archive, and the one for AWS has 37 MB. It is
 * remembered beside what is unpacked, for as long as nothing has touched the archive.
 */
function remembered(file, comments, digest) {
  const root = process.env.JSII_RUNTIME_PACKAGE_CACHE_ROOT;
  if (!root) {
    return digest();
  }
  const record = join(root, "digests.json");
  const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  const key = [file, ...comments, ino, size, mtimeNs, ctimeNs].join("\n");
  let known = {};
  try {
    known = JSON.parse(readFileSync(record, "utf8"));
    if (/^[0-9a-f]{64}$/.test(known[key])) {
      return Buffer.from(known[key], "hex");
    }
  } catch {
    // There is none yet, or no longer a good one.
  }
  const found = digest();
  try {
    const written = `${record}.${process.pid}`;
    writeFileSync(written, JSON.stringify({ ...known, [key]: found.toString("hex") }));
    renameSync(written, record);
  } catch {
    // It is computed again the next time.
  }
  return found;
}

const CHANGES = [
  [/[/\\]bin[/\\]jsii-runtime\.js$/, inOneProcess],
  [/[/\\]lib[/\\]program\.js$/, runtimeOfOneProcess],
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

if (typeof registerHooks === "function") {
  // Node 22.15 and later.
  registerHooks({
    load(url, context, nextLoad) {
      const result = nextLoad(url, context);
      const change = CHANGES.find(([pattern]) => pattern.test(url))?.[1];
      if (change === undefined || result.format === "module") {
        return result;
      }
      const source = change(String(result.source ?? ""), url);
      return source === undefined ? result : { ...result, source };
    },
  });
}
