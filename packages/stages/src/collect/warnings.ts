/** What a user should know of sources: settings without effect, files that are not there to be read, and why nothing was collected. */
import { EmptyCorpus } from "./CollectError.ts"
import type * as Globs from "./Globs.ts"
import type { OpenSource } from "./openSource.ts"
import { type Reason, SkippedFiles } from "./SkippedFiles.ts"
import type { Limits } from "./screening.ts"

const figure = (count: number): string => count.toLocaleString("en")

/** A few of the paths, and how many more there are. */
const some = ({ files, first }: Reason): string =>
  [...first, ...(files > first.length ? [`${figure(files - first.length)} more`] : [])].join(", ")

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

const absent = (source: OpenSource, { reasons }: SkippedFiles): ReadonlyArray<string> => {
  const name = source.label
  const here = source.location?.type === "folder" ? source.location.path : undefined
  const where = here === undefined ? "" : ` in ${here}`
  const submodules = reasons.get("empty submodule")
  const pointers = reasons.get("Git LFS pointer")
  return [
    ...(submodules === undefined
      ? []
      : [
          `${figure(submodules.files)} submodule${submodules.files === 1 ? " is" : "s are"} empty in ${name}: ${some(submodules)}. Run \`git submodule update --init --recursive\`${where}, or exclude ${submodules.files === 1 ? "it" : "them"}.`
        ]),
    ...(pointers === undefined
      ? []
      : [
          `${figure(pointers.files)} file${pointers.files === 1 ? " is a Git LFS pointer" : "s are Git LFS pointers"} in ${name}, not the content: ${some(pointers)}. ${
            here === undefined
              ? "Run `git lfs pull` in a work tree and collect that with Source.folder, or exclude such files."
              : `Run \`git lfs pull\`${where}, or exclude such files.`
          }`
        ])
  ]
}

/** Sentences about a source that has been read, and of which these files were left out. */
export const warningsOf = (source: OpenSource, skipped: SkippedFiles): ReadonlyArray<string> => [
  ...source.warnings(),
  ...source.unmatched().map((glob) => withoutEffect(source, glob)),
  ...absent(source, skipped)
]

/** What would let files in that were left out for a reason, with the figures that matter. */
const remedy = (reason: string, { first, largest }: Reason, limits: Limits): string | undefined => {
  switch (reason) {
    case "too large":
      return `${largest.path} has ${figure(largest.bytes)} bytes, more than maximumFileBytes, ${figure(limits.maximumFileBytes)}: write maximumFileBytes: ${largest.bytes} to collect it`
    case "over-long line":
      return `${first[0]} has a line of more than maximumLineBytes, ${figure(limits.maximumLineBytes)} bytes: raise maximumLineBytes to collect it`
    case "not UTF-8":
      return `${first[0]} is not UTF-8: write notUtf8: "detect", or the name of its encoding, such as notUtf8: "latin1", to have it decoded`
    case "not decodable":
      return `${first[0]} is no text ${limits.notUtf8 === "detect" ? "in an encoding that can be detected" : `in ${limits.notUtf8}`}: name its encoding with notUtf8`
    case "ignored":
      return "what git ignores is collected with gitignore: false in Source.folder"
    default:
      return undefined
  }
}

/** What is known of a source that has been read. */
interface ReadSource {
  readonly label: string
  readonly notMatched: { readonly files: number; readonly text: string }
}

/** The error of a collection without a document: what each source has, why it was left out, and what would change that. */
export const whyEmpty = (
  sources: ReadonlyArray<ReadSource>,
  skipped: ReadonlyArray<SkippedFiles>,
  limits: Limits
): EmptyCorpus => {
  const perSource = sources.map(({ label, notMatched }, index) => {
    const here = skipped[index]!
    const reasons = [...here.reasons].map(([reason, { files }]) => `${files} ${reason}`)
    if (notMatched.files > 0) reasons.push(`${notMatched.files} ${notMatched.text}`)
    const seen = here.files + notMatched.files
    return `${label} has ${seen === 0 ? "no files" : `${seen} file${seen === 1 ? "" : "s"} (${reasons.join(", ")})`}`
  })
  const remedies = [...SkippedFiles.all(skipped).reasons].flatMap(
    ([reason, found]) => remedy(reason, found, limits) ?? []
  )
  const advice =
    remedies.length > 0 ? `${remedies.join("; ")}.` : "Point sources at text in UTF-8, or widen include."
  return new EmptyCorpus({
    message: `No document was collected: ${perSource.join("; ")}. ${advice}`
  })
}
