/**
 * A pipeline: stages wired into a graph. The graph is plain data (nodes in an order in which each comes after what it reads), so it
 * can be planned, drawn and keyed before anything runs.
 */
import { Graph, Option, Predicate, Schema } from "effect"
import type { Kind } from "../store/Artifact.ts"
import type { Parameter } from "./Parameter.ts"
import type { Fields } from "./Parameters.ts"
import { type ErrorOf, kindsOf, type Node, type ServicesOf } from "./Stage.ts"

/** A graph that cannot be run: a name used twice, a missing input, a cycle. Thrown by `make`. */
export class InvalidPipeline extends Schema.TaggedError<InvalidPipeline>()("InvalidPipeline", {
  pipeline: Schema.String,
  message: Schema.String
}) {}

const TypeId = "~@trainyard/core/Pipeline"
const ParameterizedTypeId = "~@trainyard/core/Pipeline/Parameterized"

/** A checked graph of stages. `Out` is what its last stage makes, `E` how its stages fail, `R` what they need. */
export interface Pipeline<out Out extends Kind = Kind, out E = unknown, out R = unknown> {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  /** Every node once, each after the nodes it depends on. */
  readonly nodes: ReadonlyArray<Node>
  /** The nodes that the builder returned, usually one. */
  readonly results: ReadonlyArray<Node<Out, E, R>>
  /** The parameters that it was built with; empty for a pipeline that has none. */
  readonly parameters: ReadonlyArray<Parameter>
}

/** A pipeline that has parameters: a graph once their values are given. See `Parameters`. */
export interface Parameterized<
  F extends Fields = Fields,
  out Out extends Kind = Kind,
  out E = unknown,
  out R = unknown
> {
  readonly [ParameterizedTypeId]: typeof ParameterizedTypeId
  readonly name: string
  readonly fields: F
  /** Builds and checks the graph for these values. Throws `InvalidPipeline`. */
  build(values: Schema.Struct<F>["Type"], parameters?: ReadonlyArray<Parameter>): Pipeline<Out, E, R>
}

export type Any = Pipeline<Kind, unknown, unknown>

const namePattern = /^[A-Za-z0-9][A-Za-z0-9-]*$/
/** A node's name may hold the value that makes it special: `train-0.001`. */
const nodeNamePattern = /^[A-Za-z0-9][A-Za-z0-9.-]*(?<!\.)$/

/** What a builder may return: a node, or lists and records of nodes, nested as the pipeline likes. */
export type Results<N extends Node = Node> =
  | N
  | ReadonlyArray<Results<N>>
  | { readonly [name: string]: Results<N> }

/** Nodes that must be done before `node`: its inputs in their order, then `after`. */
export const dependencies = (node: Node): ReadonlyArray<Node> => [
  ...Object.values(node.inputs),
  ...node.after
]

const isNode = (value: unknown): value is Node => Predicate.isTagged(value, "Node")

/** Each node after its dependencies. Nodes are told apart by identity, so a cycle ends the walk instead of looping. */
const collect = (pipeline: string, results: ReadonlyArray<Node>): ReadonlyArray<Node> => {
  const seen = new Set<Node>()
  const ordered: Array<Node> = []
  const visit = (node: Node): void => {
    if (seen.has(node)) return
    seen.add(node)
    for (const [input, source] of Object.entries(node.inputs)) {
      const declared = node.stage.inputs[input]
      const kinds = (declared === undefined ? [] : kindsOf(declared)).map((kind) => kind.name)
      if (!isNode(source)) {
        throw new InvalidPipeline({
          pipeline,
          message: `Stage "${node.name}" of pipeline "${pipeline}" has no "${input}": give it the stage that makes a ${kinds.join(" or a ") || input}.`
        })
      }
      // Types are not checked when a file is run, so the wrong artifact would show only deep inside the stage.
      if (kinds.length > 0 && !kinds.includes(source.kind.name)) {
        throw new InvalidPipeline({
          pipeline,
          message: `"${input}" of stage "${node.name}" in pipeline "${pipeline}" is ${source.name}, which makes a ${source.kind.name}: give it the stage that makes a ${kinds.join(" or a ")}.`
        })
      }
      visit(source)
    }
    if (!Array.isArray(node.after)) {
      throw new InvalidPipeline({
        pipeline,
        message: `"after" of stage "${node.name}" in pipeline "${pipeline}" is not a list: write after: [stage].`
      })
    }
    node.after.forEach((source, index) => {
      if (!isNode(source)) {
        throw new InvalidPipeline({
          pipeline,
          message: `Entry ${index} of "after" of stage "${node.name}" in pipeline "${pipeline}" is not a stage.`
        })
      }
      visit(source)
    })
    ordered.push(node)
  }
  results.forEach(visit)
  return ordered
}

const toGraph = (nodes: ReadonlyArray<Node>): Graph.DirectedGraph<Node, string> =>
  Graph.directed<Node, string>((graph) => {
    const indices = new Map(nodes.map((node) => [node, Graph.addNode(graph, node)] as const))
    for (const node of nodes) {
      const target = indices.get(node)!
      for (const [input, source] of Object.entries(node.inputs)) {
        Graph.addEdge(graph, indices.get(source)!, target, input)
      }
      for (const source of node.after) Graph.addEdge(graph, indices.get(source)!, target, "then")
    }
    return undefined
  })

const check = (pipeline: string, nodes: ReadonlyArray<Node>): void => {
  const byName = new Map<string, Node>()
  for (const node of nodes) {
    // Both become names of files and folders.
    if (!nodeNamePattern.test(node.name)) {
      throw new InvalidPipeline({
        pipeline,
        message: `"${node.name}" cannot name a stage of pipeline "${pipeline}": use letters, digits, "-" and ".", a letter or digit first and no "." at the end.`
      })
    }
    if (!namePattern.test(node.stage.name)) {
      throw new InvalidPipeline({
        pipeline,
        message: `"${node.stage.name}" cannot name a stage of pipeline "${pipeline}": use letters, digits and "-".`
      })
    }
    if (byName.has(node.name)) {
      throw new InvalidPipeline({
        pipeline,
        message: `Pipeline "${pipeline}" has two stages named "${node.name}": give one of them another name, as in ${node.stage.name}({ name: "${node.name}-2", … }).`
      })
    }
    byName.set(node.name, node)
  }
  const cycle = Graph.findCycle(toGraph(nodes))
  if (Option.isSome(cycle)) {
    const names = cycle.value.path.map((index) => nodes[index]?.name ?? "?")
    throw new InvalidPipeline({
      pipeline,
      message: `The stages of pipeline "${pipeline}" form a cycle: ${names.join(" → ")}.`
    })
  }
}

const checkName = (name: string): void => {
  if (namePattern.test(name)) return
  throw new InvalidPipeline({
    pipeline: name,
    message: `"${name}" cannot name a pipeline: use letters, digits and "-".`
  })
}

/** The nodes that a builder returned, each once, in their order. */
const resultsOf = (pipeline: string, returned: unknown): ReadonlyArray<Node> => {
  const flatten = (value: unknown, place: string): ReadonlyArray<Node> => {
    if (isNode(value)) return [value]
    const parts =
      Array.isArray(value) || (Predicate.isObject(value) && !Predicate.hasProperty(value, "_tag"))
        ? Object.entries(value)
        : undefined
    if (parts === undefined) {
      const what = value === undefined ? "nothing" : "something else"
      throw new InvalidPipeline({
        pipeline,
        message: `The function of pipeline "${pipeline}" must return its last stage, or a list or record of stages; it returned ${what}${place === "" ? "" : ` at ${place}`}.`
      })
    }
    if (parts.length === 0) {
      throw new InvalidPipeline({
        pipeline,
        message: `The function of pipeline "${pipeline}" returned an empty ${Array.isArray(value) ? "list" : "record"}${place === "" ? "" : ` at ${place}`}: return at least one stage.`
      })
    }
    return parts.flatMap(([key, part]) => flatten(part, place === "" ? key : `${place}.${key}`))
  }
  return [...new Set(flatten(returned, ""))]
}

const build = <N extends Node>(
  name: string,
  builder: () => Results<N>,
  parameters: ReadonlyArray<Parameter>
): Pipeline<N["kind"], ErrorOf<N>, ServicesOf<N>> => {
  const results = resultsOf(name, builder())
  const nodes = collect(name, results)
  check(name, nodes)
  return {
    [TypeId]: TypeId,
    name,
    nodes,
    // The walk above saw plain nodes; the types of the results are those that the builder was inferred with.
    results: results as ReadonlyArray<Node<N["kind"], ErrorOf<N>, ServicesOf<N>>>,
    parameters
  }
}

const parameterPattern = /^[A-Za-z][A-Za-z0-9]*$/

const checkFields = (pipeline: string, fields: Fields): void => {
  for (const name of Object.keys(fields)) {
    if (parameterPattern.test(name)) continue
    throw new InvalidPipeline({
      pipeline,
      message: `"${name}" cannot name a parameter of pipeline "${pipeline}": use letters and digits, a letter first.`
    })
  }
}

/**
 * Makes a pipeline from a function that wires its stages and returns the last one, or several in lists and records. Throws `InvalidPipeline`
 * when the graph cannot be run. Its error and requirement types are those of all its stages.
 *
 * With `parameters`, the function is called with their values once these are known, and not before: see `Parameterized`.
 *
 * @example
 * ```ts
 * export default Pipeline.make("count", () => {
 *   const corpus = collect({ sources: [Source.folder("src")] })
 *   return count({ corpus, suffix: ".c" })
 * })
 * ```
 */
export const make: {
  <N extends Node>(name: string, builder: () => Results<N>): Pipeline<N["kind"], ErrorOf<N>, ServicesOf<N>>
  <const F extends Fields, N extends Node>(
    name: string,
    options: { readonly parameters: F },
    builder: (parameters: Schema.Struct<F>["Type"]) => Results<N>
  ): Parameterized<F, N["kind"], ErrorOf<N>, ServicesOf<N>>
} = <F extends Fields, N extends Node>(
  name: string,
  ...rest:
    | readonly [builder: () => Results<N>]
    | readonly [{ readonly parameters: F }, builder: (parameters: Schema.Struct<F>["Type"]) => Results<N>]
) => {
  checkName(name)
  const [first, builder] = rest
  if (typeof first === "function") return build(name, first, []) as never
  checkFields(name, first.parameters)
  return {
    [ParameterizedTypeId]: ParameterizedTypeId,
    name,
    fields: first.parameters,
    build: (values: Schema.Struct<F>["Type"], parameters: ReadonlyArray<Parameter> = []) =>
      build(name, () => builder!(values), parameters)
  } as never
}

/** Whether a value is a pipeline that has parameters. */
export const isParameterized = (value: unknown): value is Parameterized<Fields> =>
  Predicate.hasProperty(value, ParameterizedTypeId)

/** Whether a value, such as a module's default export, is a pipeline. */
export const isPipeline = (value: unknown): value is Any => Predicate.hasProperty(value, TypeId)

/** Names of the nodes that depend on the named ones, these included. */
export const downstream = (pipeline: Any, names: ReadonlySet<string>): ReadonlySet<string> => {
  const found = new Set(names)
  for (const node of pipeline.nodes) {
    if (dependencies(node).some((source) => found.has(source.name))) found.add(node.name)
  }
  return found
}

const label = (node: Node, lineBreak: string): string =>
  `${node.name === node.stage.name ? node.name : `${node.name} (${node.stage.name})`}${lineBreak}${node.kind.name}`

/** The graph as a Mermaid flowchart, for Markdown pages. */
export const toMermaid = (pipeline: Any): string =>
  Graph.toMermaid(toGraph(pipeline.nodes), {
    nodeLabel: (node) => label(node, " ▸ "),
    edgeLabel: (input) => input,
    direction: "LR"
  })

/** The graph in Graphviz's DOT language. */
export const toDot = (pipeline: Any): string =>
  Graph.toGraphViz(toGraph(pipeline.nodes), {
    nodeLabel: (node) => label(node, " ▸ "),
    edgeLabel: (input) => input,
    graphName: pipeline.name
  })
