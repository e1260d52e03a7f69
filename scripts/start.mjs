/**
 * `npm start`: set-up, then the quickstart pipeline. Arguments are handed on:
 *
 *     npm start -- --backend cpu
 */
import { join } from "node:path"
import { trainyard } from "./command.mjs"
import { root } from "./node.mjs"

await trainyard(["run", join(root, "pipelines", "quickstart.ts"), ...process.argv.slice(2)])
