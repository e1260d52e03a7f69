/** A process that trains in a place and may be killed: `node trainee.ts SCRATCH OUTPUT ROOT`. Says each saved step on a line. */
import { Effect } from "effect"
import { makeDataset, runTraining, services, trainee } from "./laboratory.ts"

const [scratch, output, root] = process.argv.slice(2)
if (scratch === undefined || output === undefined || root === undefined) process.exit(2)

await Effect.runPromise(
  runTraining({ root, dataset: makeDataset(root), scratch, output }, trainee).pipe(
    Effect.provide(
      services(
        { events: [] },
        {
          react: (event) =>
            Effect.sync(() => {
              if (event.type === "Saved") process.stdout.write(`saved ${event.step}\n`)
              if (event.type === "Resumed") process.stdout.write(`resumed ${event.step}\n`)
            })
        }
      )
    )
  )
)
process.stdout.write("done\n")
