#!/usr/bin/env node
/** What `npx trainyard` runs inside a clone. */
import { trainyard } from "../../../scripts/command.mjs"

await trainyard(process.argv.slice(2))
