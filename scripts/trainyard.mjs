/**
 * The `trainyard` command from a clone:
 *
 *     node scripts/trainyard.mjs plan pipelines/quickstart.ts
 */
import { trainyard } from "./command.mjs"

await trainyard(process.argv.slice(2))
