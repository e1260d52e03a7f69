/** `trainyard graph`: the stages and what flows between them, as text for Mermaid or Graphviz. */
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as Pipeline from "../Pipeline.ts"
import * as PipelineFile from "../PipelineFile.ts"
import { paramFlag, pipelineArgument } from "./flags.ts"

export const graph = Command.make(
  "graph",
  {
    file: pipelineArgument,
    param: paramFlag,
    format: Flag.Literals("format", ["mermaid", "dot"]).pipe(
      Flag.withDescription("Output format: mermaid for Markdown pages, dot for Graphviz"),
      Flag.withDefault("mermaid")
    )
  },
  Effect.fn("trainyard.graph")(function* ({ file, format, param }) {
    const { pipeline } = yield* PipelineFile.load(file, param)
    yield* Console.log((format === "dot" ? Pipeline.toDot(pipeline) : Pipeline.toMermaid(pipeline)).trimEnd())
  })
).pipe(
  Command.withDescription("Print a pipeline's graph"),
  Command.withExamples([
    { command: "trainyard graph pipelines/quickstart.ts", description: "As Mermaid, for a Markdown page" },
    {
      command: "trainyard graph pipelines/quickstart.ts --format dot | dot -Tsvg > graph.svg",
      description: "As an SVG, with Graphviz"
    }
  ])
)
