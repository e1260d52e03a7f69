/**
 * Builds the page of `trainyard ui` with Vite: one script and one style sheet in `dist`, which a browser opens from a server and from the file
 * system. Does nothing when they are as new as their sources.
 *
 *     node packages/trainyard/ui/build.mjs
 */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const folder = fileURLToPath(new URL(".", import.meta.url))
const dist = join(folder, "dist")

/** Digest of the sources and of the versions of what is bundled. */
const digest = () => {
  const hash = createHash("sha256").update(readFileSync(join(folder, "../../../package.json")))
  const names = readdirSync(folder).filter((name) => /\.(tsx?|css|mjs)$/.test(name))
  for (const name of names.sort()) hash.update(`${name}\0`).update(readFileSync(join(folder, name)))
  return hash.digest("hex")
}

/** Builds what is to be built; gives the folder of the files. */
export const build = async () => {
  const wanted = digest()
  const record = join(dist, "sources.txt")
  if (existsSync(record) && readFileSync(record, "utf8") === wanted) return dist
  const [vite, { licences }] = await Promise.all([import("vite"), import("../../../scripts/bundles.mjs")])
  const { output } = await vite.build({
    configFile: false,
    root: folder,
    logLevel: "error",
    publicDir: false,
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      outDir: dist,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: false,
      // As a file: the policy of the page allows no styles in scripts.
      cssCodeSplit: false,
      reportCompressedSize: false,
      // A module cannot be loaded from the file system; a script of this form can.
      rolldownOptions: {
        input: join(folder, "main.tsx"),
        output: { format: "iife", entryFileNames: "app.js", assetFileNames: "app.[ext]" }
      }
    }
  })
  const bundled = output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []))
  writeFileSync(join(dist, "LICENSES.txt"), licences(bundled))
  writeFileSync(record, wanted)
  return dist
}

const asked = process.argv[1]
if (asked !== undefined && import.meta.url === pathToFileURL(realpathSync(asked)).href) await build()
