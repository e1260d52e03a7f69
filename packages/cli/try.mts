import { Effect, Layer } from "effect"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Code from "../core/src/Code.ts"
import * as Runner from "../core/src/Runner.ts"
import { Workspace } from "../core/src/Workspace.ts"
const p = (await import("../../pipelines/quickstart.ts")).default
let cpu=process.cpuUsage(); let t=performance.now()
for (const n of p.nodes) { const t=performance.now(); const c = await Effect.runPromise(Code.read(n.stage.source)); console.log(n.name, Object.keys(c.files).length, "files", (performance.now()-t).toFixed(0),"ms", Object.keys(c.packages).join(",")) }
console.log("code total", performance.now()-t, process.cpuUsage(cpu).user/1000)
for(let i=0;i<2;i++){t=performance.now(); cpu=process.cpuUsage()
const plan = await Effect.runPromise(Runner.plan(p as any).pipe(Effect.provide(Workspace.layer("/tmp/core-try/q")), Effect.provide(NodeServices.layer)))
console.log("plan", performance.now()-t, process.cpuUsage(cpu).user/1000)}
const c = await Effect.runPromise(Code.read(p.nodes.find(n=>n.name==="train")!.stage.source)); console.log(Object.keys(c.files).join("\n"))
