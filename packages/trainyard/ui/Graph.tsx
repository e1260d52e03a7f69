/** A directed graph as a picture whose nodes are links, laid out by dagre. */
import { Graph as Layout, layout } from "@dagrejs/dagre"

export interface GraphNode {
  readonly id: string
  readonly title: string
  readonly detail: string
  /** Class by which it is coloured. */
  readonly tone: string
  readonly href: string
  /** All of it, for a screen reader and as a tooltip. */
  readonly words: string
}

export interface GraphEdge {
  readonly from: string
  readonly to: string
}

const nodeWidth = 150
const nodeHeight = 48

const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1)}…`

export const Graph = (props: {
  readonly label: string
  readonly nodes: ReadonlyArray<GraphNode>
  readonly edges: ReadonlyArray<GraphEdge>
}) => {
  const graph = new Layout()
  graph.setGraph({ rankdir: "LR", nodesep: 16, ranksep: 24, marginx: 4, marginy: 4 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id } of props.nodes) graph.setNode(id, { width: nodeWidth, height: nodeHeight })
  for (const { from, to } of props.edges) graph.setEdge(from, to)
  layout(graph)
  const { height = 0, width = 0 } = graph.graph() as { readonly width?: number; readonly height?: number }
  return (
    <div class="scroll">
      {/* biome-ignore lint/a11y/useSemanticElements: a picture of links is no field set */}
      <svg
        class="graph"
        style={{ width: "100%", minWidth: `${Math.min(width, 760)}px`, maxWidth: `${width}px` }}
        viewBox={`0 0 ${width} ${height}`}
        role="group"
        aria-label={props.label}
      >
        <title>{props.label}</title>
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path d="M0 0 8 4 0 8z" class="arrow" />
          </marker>
        </defs>
        {graph.edges().map((edge) => {
          const points =
            (
              graph.edge(edge) as {
                readonly points?: ReadonlyArray<{ readonly x: number; readonly y: number }>
              }
            ).points ?? []
          return (
            <path
              key={`${edge.v} ${edge.w}`}
              class="edge"
              marker-end="url(#arrow)"
              d={points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("")}
            />
          )
        })}
        {props.nodes.map((node) => {
          const { x = 0, y = 0 } = graph.node(node.id) as { readonly x?: number; readonly y?: number }
          return (
            <a key={node.id} href={node.href} aria-label={node.words} class={`node ${node.tone}`}>
              <title>{node.words}</title>
              <rect
                x={x - nodeWidth / 2}
                y={y - nodeHeight / 2}
                width={nodeWidth}
                height={nodeHeight}
                rx="8"
              />
              <text x={x - nodeWidth / 2 + 12} y={y - 4}>
                {cut(node.title, 17)}
              </text>
              <text x={x - nodeWidth / 2 + 12} y={y + 14} class="detail">
                {cut(node.detail, 22)}
              </text>
            </a>
          )
        })}
      </svg>
    </div>
  )
}
