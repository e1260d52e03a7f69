/**
 * Lets a step of a fused pipeline read what a step with four outputs a thread made. gpu.js lays such results out side by side,
 * which is a matrix of four times the columns, but its WebAssembly executor refuses to hand them on: it has no name for that
 * layout. Here they get one. This reaches into the library, whose version is therefore exact in package.json; what it reaches
 * for is looked at first, and a pipeline that then does not fuse is an error in `hostRuns`, so a change there cannot pass
 * unnoticed.
 */
import type { Kernel, Pipeline } from "./library.ts"

/** The compiling side of a kernel. */
interface Compiled {
  componentCount: number
  translateSource: () => boolean
  computeLayout: (values: ReadonlyArray<unknown>) => object
  _shapeOutput: (data: Float32Array, output: ReadonlyArray<number>, components: number) => unknown
}

interface Plan {
  readonly steps: ReadonlyArray<{ readonly kernel: number; output: ReadonlyArray<number> }>
  readonly kernels: ReadonlyArray<{
    readonly shortcut: unknown
    readonly clone: { readonly kernel: Compiled }
  }>
}

interface Planner {
  _buildPlan: () => Plan
}

const isPlanner = (value: object): value is Planner =>
  "_buildPlan" in value && typeof value._buildPlan === "function"

const isCompiled = (value: object): value is Compiled =>
  ["translateSource", "computeLayout", "_shapeOutput"].every(
    (name) => typeof Reflect.get(value, name) === "function"
  )

/** Passes for a kernel of one output while the executor looks at what feeds what, and takes room for four after. */
const disguise = (kernel: Compiled): void => {
  if (!isCompiled(kernel)) throw new Error("this gpu.js has no kernels that Trainyard can widen")
  const { _shapeOutput: shape, computeLayout, translateSource } = kernel
  kernel.translateSource = () => {
    const translated = translateSource.call(kernel)
    if (kernel.componentCount !== 4) throw new Error("a kernel of four outputs a thread has another number")
    kernel.componentCount = 1
    return translated
  }
  kernel.computeLayout = (values) => {
    kernel.componentCount = 4
    return computeLayout.call(kernel, values)
  }
  kernel._shapeOutput = (data, output) => shape.call(kernel, data, output, 1)
}

/** Makes results of these kernels, in this pipeline, matrices with four columns for each thread in a row. */
export const feedFours = ({ pipeline }: Pipeline, fours: ReadonlySet<Kernel>): void => {
  if (!isPlanner(pipeline)) throw new Error("this gpu.js has no pipelines that Trainyard can widen")
  const build = pipeline._buildPlan
  pipeline._buildPlan = () => {
    const plan = build.call(pipeline)
    const wide = plan.kernels.map(({ shortcut }) => [...fours].some((four) => four === shortcut))
    for (const [index, { clone }] of plan.kernels.entries()) if (wide[index] === true) disguise(clone.kernel)
    for (const step of plan.steps)
      if (wide[step.kernel] === true)
        step.output = step.output.map((size, axis) => (axis === 0 ? size * 4 : size))
    return plan
  }
}
