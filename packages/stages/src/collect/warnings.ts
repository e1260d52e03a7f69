/** What a user should know of sources: settings without effect, files that are not there to be read, and why nothing was collected. */
import { EmptyCorpus } from "./CollectError.ts"
import * as Globs from "./Globs.ts"
import type { OpenSource } from "./openSource.ts"
import type { Limits } from "./screening.ts"

/** A file that was left out, as a line of `skipped.jsonl`. */
export interface Skipped {
  readonly path: string
  readonly origin: string
  readonly reason: string
  readonly bytes: number
  /** Position of its source in the config; not written. */
  readonly source: number
}

const figure = (count: number): string => count.toLocaleString("en")

/** A few of the paths, and how many more there are. */
const some = (files: ReadonlyArray<Skipped>): string => {
  const shown = files.slice(0, 3).map((file) => file.path)
  return [...shown, ...(files.length > 3 ? [`${figure(files.length - 3)} more`] : [])].join(", ")
}

const firstFolders = (near: string): string => near.slice(0, near.lastIndexOf("/") + 1)

const withoutEffect = (source: OpenSource, { glob, near, setting }: Globs.Unmatched): string => {
  const what = setting === "include" ? "takes no file" : "leaves out nothing"
  // What is in a folder can be looked up; what is in an archive or a package cannot as easily.
  const others =
    setting === "include" && source.location?.type !== "folder" ? source.describeOthers(glob) : ""
  const hint =
    near === undefined
      ? others !== ""
        ? `It has other files${others}.`
        : `Globs match paths from the top of the source, as in "src/**/*.c". Correct it, or remove it.`
      : `There is ${near}, though: the case of letters counts, and a folder is named with what is in it, as in "${firstFolders(near)}**".`
  return `${setting} ${JSON.stringify(glob)} ${what} of ${source.label}. ${hint}`
}

const absent = (source: OpenSource, skipped: ReadonlyArray<Skipped>): ReadonlyArray<string> => {
  const name = source.label
  const here = source.location?.type === "folder" ? source.location.path : undefined
  const where = here === undefined ? "" : ` in ${here}`
  const of = (reason: string) => skipped.filter((file) => file.reason === reason)
  const submodules = of("empty submodule")
  const pointers = of("Git LFS pointer")
  return [
    ...(submodules.length === 0
      ? []
      : [
          `${figure(submodules.length)} submodule${submodules.length === 1 ? " is" : "s are"} empty in ${name}: ${some(submodules)}. Run \`git submodule update --init --recursive\`${where}, or exclude ${submodules.length === 1 ? "it" : "them"}.`
        ]),
    ...(pointers.length === 0
      ? []
      : [
          `${figure(pointers.length)} file${pointers.length === 1 ? " is a Git LFS pointer" : "s are Git LFS pointers"} in ${name}, not the content: ${some(pointers)}. ${
            here === undefined
              ? "Run `git lfs pull` in a work tree and collect that with Source.folder, or exclude such files."
              : `Run \`git lfs pull\`${where}, or exclude such files.`
          }`
        ])
  ]
}

/** Sentences about a source that has been read, and of which these files were left out. */
export const warningsOf = (source: OpenSource, skipped: ReadonlyArray<Skipped>): ReadonlyArray<string> => [
  ...source.warnings(),
  ...source.unmatched().map((glob) => withoutEffect(source, glob)),
  ...absent(source, skipped)
]

/** What would let files in that were left out for a reason, with the figures that matter. */
const remedy = (reason: string, files: ReadonlyArray<Skipped>, limits: Limits): string | undefined => {
  const largest = files.reduce((most, file) => (file.bytes > most.bytes ? file : most))
  switch (reason) {
    case "too large":
      return `${largest.path} has ${figure(largest.bytes)} bytes, more than maximumFileBytes, ${figure(limits.maximumFileBytes)}: write maximumFileBytes: ${largest.bytes} to collect it`
    case "over-long line":
      return `${files[0]!.path} has a line of more than maximumLineBytes, ${figure(limits.maximumLineBytes)} bytes: raise maximumLineBytes to collect it`
    case "not UTF-8":
      return `${files[0]!.path} is not UTF-8: write notUtf8: "detect", or the name of its encoding, such as notUtf8: "latin1", to have it decoded`
    case "not decodable":
      return `${files[0]!.path} is no text ${limits.notUtf8 === "detect" ? "in an encoding that can be detected" : `in ${limits.notUtf8}`}: name its encoding with notUtf8`
    case "ignored":
      return "what git ignores is collected with gitignore: false in Source.folder"
    default:
      return undefined
  }
}

/** The error of a collection without a document: what each source has, why it was left out, and what would change that. */
export const whyEmpty = (
  opened: ReadonlyArray<OpenSource>,
  skipped: ReadonlyArray<Skipped>,
  limits: Limits
): EmptyCorpus => {
  const byReason = (files: ReadonlyArray<Skipped>) => [...Map.groupBy(files, (file) => file.reason)]
  const perSource = opened.map((source, index) => {
    const here = skipped.filter((file) => file.source === index)
    const reasons = byReason(here).map(([reason, files]) => `${files.length} ${reason}`)
    if (source.notMatched() > 0)
      reasons.push(
        `${source.notMatched()} not matched by ${Globs.describe(source.globs)}${source.describeOthers()}`
      )
    const seen = here.length + source.notMatched()
    return `${source.label} has ${seen === 0 ? "no files" : `${seen} file${seen === 1 ? "" : "s"} (${reasons.join(", ")})`}`
  })
  const remedies = byReason(skipped).flatMap(([reason, files]) => remedy(reason, files, limits) ?? [])
  const advice =
    remedies.length > 0 ? `${remedies.join("; ")}.` : "Point sources at text in UTF-8, or widen include."
  return new EmptyCorpus({
    message: `No document was collected: ${perSource.join("; ")}. ${advice}`
  })
}
