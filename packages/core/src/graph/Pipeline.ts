/**
 * A pipeline: stages wired into a graph. The graph is plain data (nodes in an order in which each comes after what it reads), so it
 * can be planned, drawn and fingerprinted before anything runs.
 */
import { Graph, Option, Predicate, Schema } from "effect"
import type { Kind } from "../store/Artifact.ts"
import { type ErrorOf, kindsOf, type Node, type ServicesOf } from "./Stage.ts"

/** A graph that cannot be run: a name used twice, an input without a node, a circle. Thrown by `make`. */
export class InvalidPipeline extends Schema.TaggedError<InvalidPipeline>()("InvalidPipeline", {
  pipeline: Schema.String,
  message: Schema.String
}) {}

const TypeId = "~@trainyard/core/Pipeline"

/** A checked graph of stages. `Out` is what its last stage makes, `E` how its stages fail, `R` what they need. */
export interface Pipeline<out Out extends Kind = Kind, out E = unknown, out R = unknown> {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  /** Every node once, each after the nodes it depends on. */
  readonly nodes: ReadonlyArray<Node>
  /** The nodes that the builder returned, usually one. */
  readonly results: ReadonlyArray<Node<Out, E, R>>
}

export type Any = Pipeline<Kind, unknown, unknown>

const namePattern = /^[A-Za-z0-9][A-Za-z0-9-]*$/

/** Nodes that must be done before `node`: its inputs in their order, then `after`. */
export const dependencies = (node: Node): ReadonlyArray<Node> => [
  ...Object.values(node.inputs),
  ...node.after
]

const isNode = (value: unknown): value is Node => Predicate.isTagged(value, "Node")

/** Each node after its dependencies. Nodes are told apart by identity, so a circle ends the walk instead of looping. */
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
    // Both become names of folders.
    const wrong = [node.name, node.stage.name].find((name) => !namePattern.test(name))
    if (wrong !== undefined) {
      throw new InvalidPipeline({
        pipeline,
        message: `"${wrong}" cannot name a stage of pipeline "${pipeline}": use letters, digits and "-".`
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
      message: `The stages of pipeline "${pipeline}" wait for each other in a circle: ${names.join(" → ")}.`
    })
  }
}

/**
 * Makes a pipeline from a function that wires its stages and returns the last one (or several, when the graph has several ends).
 * Throws `InvalidPipeline` when the graph cannot be run. Its error and requirement types are those of all its stages.
 *
 * @example
 * ```ts
 * export default Pipeline.make("count", () => {
 *   const corpus = collect({ sources: [Source.folder("src")] })
 *   return count({ corpus, suffix: ".c" })
 * })
 * ```
 */
export const make = <N extends Node>(
  name: string,
  build: () => N | ReadonlyArray<N>
): Pipeline<N["kind"], ErrorOf<N>, ServicesOf<N>> => {
  if (!namePattern.test(name)) {
    throw new InvalidPipeline({
      pipeline: name,
      message: `"${name}" cannot name a pipeline: use letters, digits and "-".`
    })
  }
  const built: Node | ReadonlyArray<Node> = build()
  const results: ReadonlyArray<Node> = isNode(built) ? [built] : Array.isArray(built) ? built : []
  if (results.length === 0 || !results.every(isNode)) {
    throw new InvalidPipeline({
      pipeline: name,
      message: `The function of pipeline "${name}" must return its last stage; it returned ${
        built === undefined ? "nothing" : "something else"
      }.`
    })
  }
  const nodes = collect(name, results)
  check(name, nodes)
  return {
    [TypeId]: TypeId,
    name,
    nodes,
    // The walk above saw plain nodes; the types of the ends are those that the builder was inferred with.
    results: results as ReadonlyArray<Node<N["kind"], ErrorOf<N>, ServicesOf<N>>>
  }
}

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
