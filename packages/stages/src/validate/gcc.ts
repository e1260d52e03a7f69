/**
 * A second opinion on what parses, from gcc where there is one: `gcc -fsyntax-only` on standard input, which makes nothing
 * that could be run.
 *
 * A completion speaks of functions, types and macros that headers would have declared, and no header is read: what the text
 * may include lies outside of it. So that gcc judges the text alone:
 *
 * - `#include` lines are blanked;
 * - each type that the text uses and does not define is declared before it (the standard ones as what they are, others as `int`),
 *   and so are the macros of `<stdarg.h>` and `<stddef.h>`, which take types as arguments;
 * - an error that only says what an undeclared name or type could have been (`forgiven`, below) does not count.
 *
 * Every other error counts, above all every "expected ... before ...".
 */
import { Config, Duration, Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { Parsed } from "./parseC.ts"

/** gcc's opinion on one text. `error` is its first error that counts. */
export interface Checked {
  readonly passes: boolean
  readonly error: string | null
}

/** gcc as found on this machine, or why there is none. */
export type Compiler =
  | {
      readonly available: true
      /** The first line of `gcc --version`. */
      readonly version: string
      readonly check: (parsed: Parsed) => Effect.Effect<Checked>
    }
  | { readonly available: false; readonly why: string }

const flags = [
  "-fsyntax-only",
  "-x",
  "c",
  "-std=gnu17",
  "-w",
  // From gcc 14 on, a call of an undeclared function is an error unless one asks for the older rules.
  "-fpermissive",
  "-nostdinc",
  "-fdiagnostics-color=never",
  "-fno-diagnostics-show-caret",
  "-"
]

/** Errors that follow from a name that is not declared, or from not knowing its type. The wording is gcc's, then clang's. */
const forgiven: ReadonlyArray<RegExp> = [
  /undeclared/,
  /^unknown type name/,
  /(isn't|is not) known/,
  /incomplete type/,
  /undefined type/,
  /in something not a structure or union/,
  /^invalid type argument/,
  /^subscripted value is neither/,
  /^called object .*is not a function/,
  /^incompatible types? /,
  /^invalid operands to/,
  /^invalid initializer/,
  /^wrong type argument/,
  /^array subscript is not an integer/,
  /^array index in initializer not of integer type/,
  /^switch quantity not an integer/,
  /^conversion to non-scalar type requested/,
  /^used .* where scalar is required/,
  /^aggregate value used where/,
  /not (an? )?(integer )?constant/,
  /does not reduce to an integer constant/,
  /^variably modified/,
  /has initializer but/,
  /^'(const |volatile )*(struct|union) \w+' has no member named/,
  // Conditions and demands of the preprocessor that need the headers' macros.
  /^missing binary operator before token "\("/,
  /^function-like macro .* is not defined/,
  /^#error/,
  /^use of undeclared identifier/,
  /^member reference base type/,
  /^indirection requires pointer operand/,
  /^subscripted value is not an array/,
  /^variable has incomplete type/
]

const standardTypes: Readonly<Record<string, string>> = {
  size_t: "__SIZE_TYPE__",
  ptrdiff_t: "__PTRDIFF_TYPE__",
  wchar_t: "__WCHAR_TYPE__",
  intptr_t: "__INTPTR_TYPE__",
  uintptr_t: "__UINTPTR_TYPE__",
  intmax_t: "__INTMAX_TYPE__",
  uintmax_t: "__UINTMAX_TYPE__",
  va_list: "__builtin_va_list",
  ssize_t: "long",
  off_t: "long",
  int8_t: "signed char",
  uint8_t: "unsigned char",
  int16_t: "short",
  uint16_t: "unsigned short",
  int32_t: "int",
  uint32_t: "unsigned int",
  int64_t: "long long",
  uint64_t: "unsigned long long"
}

/** Names that the compiler knows by itself, though the grammar takes them for a header's. */
const builtIn = /^(_[A-Z]|__(int128|float128|builtin_|typeof|auto_type))/

const macros = [
  "#define NULL ((void *)0)",
  "#define offsetof(type, member) __builtin_offsetof(type, member)",
  "#define va_start(list, last) __builtin_va_start(list, last)",
  "#define va_arg(list, type) __builtin_va_arg(list, type)",
  "#define va_copy(to, from) __builtin_va_copy(to, from)",
  "#define va_end(list) __builtin_va_end(list)"
]

/** The text as gcc is given it. Its own lines keep their numbers. */
export const forCompiler = ({ judged, undefinedTypes }: Parsed): string => {
  const types = undefinedTypes
    .filter((name) => !builtIn.test(name))
    .map((name) => `typedef ${standardTypes[name] ?? "int"} ${name};`)
  const text = judged
    // A directive may be spelt with a digraph, and hidden behind comments and continued lines.
    .replace(/\\[ \t]*\r?\n/g, "")
    .replace(
      /^((?:\s|\/\*(?:[^*]|\*(?!\/))*\*\/)*)(?:#|%:)(?:[^\S\n]|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:include|include_next|import|embed)\b.*$/gm,
      "$1"
    )
  return [...macros, ...types, "#line 1", text].join("\n")
}

/** The first error in gcc's output that counts. */
export const firstCountedError = (output: string): string | null => {
  for (const line of output.split("\n")) {
    const found = /^<stdin>:(\d+:\d+): (?:fatal )?error: (.*)$/.exec(line)
    const message = found?.[2]?.replace(/[‘’]/g, "'")
    if (message !== undefined && !forgiven.some((pattern) => pattern.test(message))) {
      return `${found![1]}: ${message}`
    }
  }
  return null
}

/** Longest that gcc may take for one text. */
const limit = Duration.seconds(10)

/** No environment but this: CPATH and its kin would bring headers in. */
const environment = (path: string) => ({ PATH: path, LC_ALL: "C" })

/** Lets gcc judge a text: what it wrote on standard error, and its exit code. */
const compile = Effect.fnUntraced(function* (path: string, text: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(
    ChildProcess.make("gcc", flags, {
      env: environment(path),
      stdin: Stream.make(new TextEncoder().encode(text)),
      stdout: "ignore",
      killSignal: "SIGKILL"
    })
  )
  const output = yield* handle.stderr.pipe(Stream.decodeText(), Stream.mkString)
  return { output, exitCode: yield* handle.exitCode }
}, Effect.scoped)

/** The first line of `gcc --version`, or why what gcc says cannot be had. A driver whose compiler is missing says its version all the same. */
const probe = Effect.fnUntraced(function* (path: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const absent = { version: null, why: "no working gcc is on the PATH; install gcc to have this measured" }
  const version = yield* spawner
    .string(ChildProcess.make("gcc", ["--version"], { env: environment(path) }))
    .pipe(
      Effect.timeout(limit),
      Effect.map((text) => text.split("\n", 1)[0]!.trim()),
      Effect.orElseSucceed(() => "")
    )
  if (version === "") return absent
  const { exitCode, output } = yield* compile(path, "int works;\n").pipe(
    Effect.timeout(limit),
    Effect.catch((error) => Effect.succeed({ exitCode: -1, output: error.message }))
  )
  return exitCode === 0
    ? { version }
    : { version: null, why: `${absent.why} (${version} cannot compile: ${output.split("\n", 1)[0]})` }
})

/** The PATH environment variable. */
const searchPath = Config.NonEmptyString("PATH").pipe(Effect.orElseSucceed(() => ""))

/**
 * What `findGcc` would find, in a line: another line means that texts may be judged in another way.
 *
 * @param path folders to look in, as in the PATH environment variable
 */
export const describeGcc = Effect.fn("describeGcc")(function* (path?: string) {
  return (yield* probe(path ?? (yield* searchPath))).version ?? "none"
})

/**
 * Looks for gcc on the path.
 *
 * @param folders to look in, as in the PATH environment variable; its own unless given
 */
export const findGcc = Effect.fn("findGcc")(function* (folders?: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const path = folders ?? (yield* searchPath)
  const found = yield* probe(path)
  if (found.version === null) {
    const compiler: Compiler = { available: false, why: found.why }
    return compiler
  }
  const compiler: Compiler = {
    available: true,
    version: found.version,
    check: (parsed) =>
      compile(path, forCompiler(parsed)).pipe(
        Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner),
        Effect.map(({ exitCode, output }): Checked => {
          const error = firstCountedError(output)
          if (error !== null) return { passes: false, error }
          const explained = exitCode === 0 || /error: /.test(output)
          return explained
            ? { passes: true, error: null }
            : { passes: false, error: `gcc ended with ${exitCode}: ${output.split("\n", 1)[0]}` }
        }),
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () => Effect.succeed<Checked>({ passes: false, error: "gcc needed more than 10 seconds" })
        }),
        Effect.catch((error) => Effect.succeed<Checked>({ passes: false, error: `gcc: ${error.message}` }))
      )
  }
  return compiler
})
