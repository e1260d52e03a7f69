/**
 * Checks the syntax of C texts with gcc: `gcc -fsyntax-only` on standard input, which produces nothing that could be run.
 *
 * A completion uses functions, types and macros that headers would declare, and no header is read. So that gcc checks the text alone:
 *
 * - `#include` lines are blanked;
 * - each type that the text uses and does not define is declared before it (the standard ones as what they are, others as `int`),
 *   and so are the macros of `<stdarg.h>` and `<stddef.h>`, which take types as arguments;
 * - an error that only says what an undeclared name or type could have been (`ignored`, below) does not count.
 *
 * Every other error counts, above all every "expected ... before ...".
 */
import type { Command } from "../Compiler.ts"

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

/** Errors that follow from a name that is not declared, or from its unknown type. The wording is gcc's, then clang's. */
const ignored: ReadonlyArray<RegExp> = [
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
  // Conditions of the preprocessor that need the headers' macros.
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

/** Names that the compiler knows by itself, though the grammar treats them as names of a header. */
const builtIn = /^(_[A-Z]|__(int128|float128|builtin_|typeof|auto_type))/

const macros = [
  "#define NULL ((void *)0)",
  "#define offsetof(type, member) __builtin_offsetof(type, member)",
  "#define va_start(list, last) __builtin_va_start(list, last)",
  "#define va_arg(list, type) __builtin_va_arg(list, type)",
  "#define va_copy(to, from) __builtin_va_copy(to, from)",
  "#define va_end(list) __builtin_va_end(list)"
]

/** The text as gcc is given it: includes blanked, undefined types declared. Its own lines keep their numbers. */
export const forCompiler = (text: string, undefinedTypes: ReadonlyArray<string>): string => {
  const types = undefinedTypes
    .filter((name) => !builtIn.test(name))
    .map((name) => `typedef ${standardTypes[name] ?? "int"} ${name};`)
  const source = text
    // A directive may be spelled with a digraph, and stand behind comments and continued lines.
    .replace(/\\[ \t]*\r?\n/g, "")
    .replace(
      /^((?:\s|\/\*(?:[^*]|\*(?!\/))*\*\/)*)(?:#|%:)(?:[^\S\n]|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:include|include_next|import|embed)\b.*$/gm,
      "$1"
    )
  return [...macros, ...types, "#line 1", source].join("\n")
}

/** The first error in gcc's output that counts. */
export const firstCountedError = (output: string): string | null => {
  for (const line of output.split("\n")) {
    const found = /^<stdin>:(\d+:\d+): (?:fatal )?error: (.*)$/.exec(line)
    const message = found?.[2]?.replace(/[‘’]/g, "'")
    if (message !== undefined && !ignored.some((pattern) => pattern.test(message))) {
      return `${found![1]}: ${message}`
    }
  }
  return null
}

/** gcc as `Compiler` calls it. */
export const gcc: Command = {
  command: "gcc",
  versionArguments: ["--version"],
  arguments: flags,
  sample: "int works;\n",
  read: (output) => ({ error: firstCountedError(output), explained: /error: /.test(output) })
}
