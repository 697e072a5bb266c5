// Loaded by Node before cdktf's command line, see toolchain.py: what cdktf needs to translate HCL
// (a TypeScript compiler, two WebAssembly programs, a formatter) is loaded when it is used, and not
// at each start, where it takes half of the time. What is not exactly as expected stays as it is.
"use strict";

const { join } = require("node:path");

const DEFERRED = /[/\\]@cdktf[/\\](hcl2cdk|hcl2json|hcl-tools)[/\\](lib|src)[/\\]index\.js$/;

/** Run a CommonJS file when one of its exports is first read; undefined if they are not known. */
function deferred(source) {
  if (/__exportStar\(require|module\.exports|^export |^import /m.test(source)) {
    return undefined;
  }
  const names = new Set();
  for (const [, assigned, defined] of source.matchAll(
    /\bexports\.(\w+) = |Object\.defineProperty\(exports, "(\w+)"/g,
  )) {
    names.add(assigned ?? defined);
  }
  if (!names.delete("__esModule")) {
    return undefined;
  }
  return `const moorDeferred = { names: ${JSON.stringify([...names])}, run: function (exports) {${source}
} };
Object.defineProperty(exports, "__esModule", { value: true });
for (const name of moorDeferred.names) {
  Object.defineProperty(exports, name, {
    enumerable: true,
    configurable: true,
    get: () => {
      if (!moorDeferred.exports) {
        moorDeferred.exports = {};
        moorDeferred.run.call(moorDeferred.exports, moorDeferred.exports);
      }
      return moorDeferred.exports[name];
    },
  });
}
`;
}

// cdktf takes a process without an exit code for one that has succeeded. What a signal has ended has
// none: here it gets the shell's, 128 and the signal's number.
const { constants } = require("node:os");
const processes = require("node:child_process");
const { spawn } = processes;
processes.spawn = function (...words) {
  const child = spawn.apply(this, words);
  const { emit } = child;
  child.emit = function (event, code, signal, ...rest) {
    const ended = (event === "exit" || event === "close") && code === null && signal;
    return emit.call(this, event, ended ? 128 + constants.signals[signal] : code, signal, ...rest);
  };
  return child;
};

// The same for what runs in a terminal of cdktf's own, whose code is then 0.
const Module = require("node:module");
const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (!/[/\\]node-pty[^/\\]*$/.test(request) || loaded.moorSpawn) {
    return loaded;
  }
  loaded.moorSpawn = loaded.spawn;
  loaded.spawn = function (...words) {
    const terminal = loaded.moorSpawn.apply(this, words);
    const onExit = terminal.onExit;
    Object.defineProperty(terminal, "onExit", {
      value: (listener) =>
        onExit.call(terminal, ({ exitCode, signal }) =>
          listener({ exitCode: exitCode || (signal ? 128 + signal : 0), signal }),
        ),
    });
    return terminal;
  };
  return loaded;
};

const { enableCompileCache, registerHooks } = Module;
if (typeof registerHooks === "function" && !process.env.MOOR_PLAIN_BINDINGS) {
  // Node 22.15 and later. The cache is for this process only: what the app loads is found in
  // another temporary folder each time, and would make it grow with every synthesis.
  enableCompileCache(join(__dirname, "..", "..", ".tools", "cache", "node"));
  registerHooks({
    load(url, context, nextLoad) {
      const result = nextLoad(url, context);
      if (!DEFERRED.test(url) || result.format === "module") {
        return result;
      }
      const source = deferred(String(result.source ?? ""));
      return source === undefined ? result : { ...result, source };
    },
  });
}
