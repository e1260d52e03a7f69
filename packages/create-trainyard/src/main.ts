/** `create-trainyard`: reads the arguments, creates the project, and prints the next steps. */
import { relative } from "node:path"
import { parseArgs } from "node:util"
import { CannotCreate, create, version } from "./create.ts"

const help = `Creates a project that trains a small code language model on a folder of your code.

Usage: npm create trainyard [FOLDER] [-- --code DIR]

  FOLDER       Folder to create; my-model unless given. It must be empty or absent.
  --code DIR   Folder with the code to learn from; FOLDER/code unless given
  --help       Show this text
  --version    Show the version
`

const read = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        code: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "v" }
      }
    })
  } catch (cause) {
    const [first = ""] = cause instanceof Error ? cause.message.split(". ") : []
    throw new CannotCreate(`${first.replace(/\.$/, "")}. See npm create trainyard -- --help.`)
  }
}

const main = (args: ReadonlyArray<string>): string => {
  const { positionals, values } = read(args)
  if (values.help === true) return help
  if (values.version === true) return `${version}\n`
  if (positionals.length > 1) {
    throw new CannotCreate(
      `One folder is created, and ${positionals.length} are named: ${positionals.join(", ")}.`
    )
  }
  const made = create({ folder: positionals[0] ?? "my-model", code: values.code })
  const steps = [
    ...(made.folder === process.cwd() ? [] : [`cd ${relative(process.cwd(), made.folder)}`]),
    "npm install",
    "npx trainyard run pipeline.ts"
  ]
  const code = made.ownCode ? "\nPut the C code to learn from into its code folder first.\n" : ""
  return `Created ${made.folder} with ${made.files.length} files.\n${code}\nNext:\n${steps.map((step) => `  ${step}\n`).join("")}`
}

try {
  process.stdout.write(main(process.argv.slice(2)))
} catch (cause) {
  if (!(cause instanceof CannotCreate)) throw cause
  process.stderr.write(`${cause.message}\n`)
  process.exitCode = 2
}
