/** The documentation's site. It loads nothing from elsewhere: the theme, its fonts and the search index are part of the build. */
import { existsSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitepress"

const docs = fileURLToPath(new URL("..", import.meta.url))

/** Entries of the sidebar whose pages exist. */
const pages = (...entries) =>
  entries
    .filter(([, page]) => existsSync(`${docs}${page}.md`))
    .map(([text, page]) => ({ text, link: `/${page}` }))

const stages = readdirSync(`${docs}stages`)
  .filter((file) => file.endsWith(".md") && file !== "index.md")
  .map((file) => file.slice(0, -3))
  .sort()

const sidebar = [
  {
    text: "Introduction",
    items: pages(
      ["Getting started", "getting-started"],
      ["Pipelines", "pipelines"],
      ["Command line", "command-line"],
      ["A store for several machines", "store"],
      ["Troubleshooting", "troubleshooting"]
    )
  },
  {
    text: "Guides",
    items: pages(
      ["Models", "models"],
      ["A recipe for little data", "recipe"],
      ["Training", "training"],
      ["Validation", "validation"],
      ["Generation", "generation"],
      ["Fill in the middle", "fill-in-the-middle"],
      ["Export and publish", "export"],
      ["Serving", "serve"],
      ["Sources", "sources"],
      ["Languages", "languages"],
      ["Parameters and sweeps", "parameters-and-sweeps"],
      ["The page of all runs", "ui"],
      ["Inspecting artifacts", "inspect"],
      ["Reliability", "resilience"],
      ["Several machines", "workers"],
      ["Data parallel training", "data-parallel"]
    )
  },
  {
    text: "Stages",
    items: pages(["All stages", "stages/index"], ...stages.map((name) => [name, `stages/${name}`]))
  },
  {
    text: "Engines",
    items: pages(
      ["Engines", "engines"],
      ["webgpu", "webgpu-engine"],
      ["native", "native-engine"],
      ["cpu", "cpu-engine"],
      ["gpujs", "gpujs-engine"],
      ["Operations and precisions", "support"],
      ["Adding operations", "operations"],
      ["Benchmarks", "benchmarks"]
    )
  },
  {
    text: "Reference",
    items: pages(
      ["API", "api/index"],
      ["Event stream", "events"],
      ["Architecture", "architecture"],
      ["Dependencies", "dependencies"],
      ["Releasing", "releasing"]
    )
  }
]

export default defineConfig({
  title: "Trainyard",
  description: "Declarative training pipelines for small code language models",
  srcExclude: ["package.json", "scripts/**"],
  outDir: "./.vitepress/dist",
  themeConfig: {
    nav: [
      { text: "Guides", link: "/getting-started" },
      { text: "Stages", link: "/stages/" },
      { text: "API", link: "/api/" }
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: "local" }
  }
})
