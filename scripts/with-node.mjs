/**
 * Runs a script with a Node that is new enough, whatever Node this is:
 *
 *     node scripts/with-node.mjs scripts/soak.ts --kills 10
 */
import { runWithNode } from "./node.mjs"

const args = process.argv.slice(2)
if (args.length === 0) {
  process.stderr.write("Name the script to run: node scripts/with-node.mjs SCRIPT [ARGUMENTS]\n")
  process.exitCode = 2
} else {
  process.exitCode = await runWithNode(args)
}
