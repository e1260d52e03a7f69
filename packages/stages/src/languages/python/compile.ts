/**
 * Checks Python texts with the `python3` of this machine: the built-in `compile` reads standard input and makes a code object, which is
 * never run. Python starts isolated (`-I`) and without site packages (`-S`), so no module of the user is loaded.
 */
import type { Command } from "../Compiler.ts"

const program = `import sys
try:
    compile(sys.stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True)
except SyntaxError as error:
    sys.exit(f"{error.lineno or 1}:{error.offset or 1}: {error.msg}")
except (ValueError, OverflowError, MemoryError, RecursionError) as error:
    sys.exit(f"1:1: {type(error).__name__}: {error}")
`

const isolated = ["-I", "-S", "-B", "-W", "ignore"]

/** The error in what the program prints, as `line:column: message`; null when there is none. */
export const errorIn = (output: string): string | null => /^\d+:\d+: .*$/m.exec(output)?.[0] ?? null

/** python3 as `Compiler` calls it. */
export const python3: Command = {
  command: "python3",
  versionArguments: ["--version"],
  arguments: [...isolated, "-c", program],
  sample: "works = True\n",
  read: (output) => ({ error: errorIn(output), explained: false })
}
