/** Pipeline files that are none: loaded as the command line loads them, their config decoded. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Settings from "@trainyard/core/Settings"
import { Effect } from "effect"
import * as PipelineFile from "../../../src/PipelineFile.ts"
import { type Kind, taken } from "../cases.ts"
import { harms } from "../damage.ts"

const whole = `import { collect, Pipeline, Source, splitCorpus, tokenize } from "trainyard"
export default Pipeline.make("job", () =>
  tokenize({ split: splitCorpus({ corpus: collect({ sources: [Source.folder("src")] }) }), vocabularySize: 300 })
)
`

const texts: ReadonlyArray<string | Buffer> = [
  "",
  "export default {}",
  "export default null",
  "export default [1, 2]",
  'throw new Error("first line\\nsecond line\\n    at nowhere (file:1:1)")',
  "throw undefined",
  "await Promise.reject(Object.create(null))",
  'import "./job.ts"; import x from "./nowhere.json"; export default x',
  whole.replace("sources", "source"),
  whole.replace('"job"', '"no/../name"'),
  whole.replace("300", '"three hundred"'),
  whole.replace("collect({", "collect({ maximumBytes: NaN,"),
  whole.replace('Source.folder("src")', '{ type: "floder", path: "src" }'),
  whole.replace("export default", "export default function () {"),
  harms["written in UTF-16"]!(Buffer.from(whole), undefined as never),
  Buffer.concat([Buffer.from(whole), Buffer.from([0, 1, 2, 0xff])]),
  whole.replace("tokenize({ split:", "tokenize({ spilt:"),
  `${"(".repeat(20_000)}1`
]

export const pipelineFiles: Kind = ({ directory }, index) => {
  const file = join(directory, "job.ts")
  writeFileSync(file, texts[index % texts.length]!)
  return {
    what: `text ${index}`,
    names: ["job.ts", "source", "vocabularySize", "maximumBytes", "pipeline", "split"],
    feed: Effect.gen(function* () {
      const { pipeline } = yield* PipelineFile.load(file)
      yield* Settings.resolve(pipeline)
      return taken
    })
  }
}
