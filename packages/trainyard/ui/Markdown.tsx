/**
 * Markdown as elements: headings, paragraphs, lists, tables, code, quotes, emphasis, links and pictures. Nothing of the text becomes HTML, and
 * a link leads only to http, https or a part of this page.
 */
import type { ComponentChild } from "preact"

type Images = Readonly<Record<string, string>>

const inlinePattern =
  /(`[^`]+`|!\[[^\]]*\]\([^)\s]+\)|\[[^\]]+\]\([^)\s]+\)|\*\*[^*]+\*\*|\*[^*\s][^*]*\*|_[^_\s][^_]*_(?!\w))/

const Inline = ({ images, text }: { readonly text: string; readonly images: Images }): ComponentChild =>
  text.split(inlinePattern).map((part, index) => {
    if (index % 2 === 0) return part
    if (part.startsWith("`")) return <code key={index}>{part.slice(1, -1)}</code>
    const link = /^(!?)\[([^\]]*)\]\(([^)\s]+)\)$/.exec(part)
    if (link !== null) {
      const [, bang, label = "", target = ""] = link
      if (bang === "!") {
        const image = images[target.replace(/^\.\//, "")]
        return image === undefined ? <i key={index}>{label}</i> : <img key={index} src={image} alt={label} />
      }
      const isSafe = /^(https?:|#)/i.test(target)
      return isSafe ? (
        <a key={index} href={target} rel="noreferrer" target="_blank">
          {label}
        </a>
      ) : (
        <span key={index}>{label}</span>
      )
    }
    return part.startsWith("**") ? (
      <b key={index}>{part.slice(2, -2)}</b>
    ) : (
      <i key={index}>{part.slice(1, -1)}</i>
    )
  })

const cellsOf = (line: string): ReadonlyArray<string> =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"))

const Table = ({ images, lines }: { readonly lines: ReadonlyArray<string>; readonly images: Images }) => {
  const [head = "", , ...rows] = lines
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {cellsOf(head).map((cell, index) => (
              <th key={index} scope="col">
                <Inline text={cell} images={images} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              {cellsOf(row).map((cell, index) => (
                <td key={index}>
                  <Inline text={cell} images={images} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface Block {
  readonly kind: "heading" | "code" | "table" | "list" | "quote" | "text"
  readonly lines: ReadonlyArray<string>
}

const kindOf = (line: string, next: string): Block["kind"] => {
  if (/^#{1,6} /.test(line)) return "heading"
  if (/^(```|~~~)/.test(line)) return "code"
  if (/^\s*\|/.test(line) && /^\s*\|?[\s:|-]+\|?$/.test(next)) return "table"
  if (/^\s*([-*+]|\d+\.) /.test(line)) return "list"
  return line.startsWith(">") ? "quote" : "text"
}

/** Whether a line goes on with the block that it follows. */
const goesOn = (kind: Block["kind"], line: string, next: string): boolean => {
  if (line.trim() === "") return false
  if (kind === "table") return line.includes("|")
  if (kind === "list") return /^\s/.test(line) || kindOf(line, next) === "list"
  if (kind === "quote") return line.startsWith(">")
  return kind === "text" && kindOf(line, next) === "text"
}

export const blocksOf = (text: string): ReadonlyArray<Block> => {
  const lines = text.replace(/^---\n[\s\S]*?\n---\n/, "").split("\n")
  const blocks: Array<Block> = []
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? ""
    if (line.trim() === "") {
      at++
      continue
    }
    const kind = kindOf(line, lines[at + 1] ?? "")
    let end = at + 1
    if (kind === "code") {
      while (end < lines.length && !(lines[end] ?? "").startsWith(line.slice(0, 3))) end++
      blocks.push({ kind, lines: lines.slice(at + 1, end) })
      at = end + 1
      continue
    }
    if (kind !== "heading")
      while (end < lines.length && goesOn(kind, lines[end] ?? "", lines[end + 1] ?? "")) end++
    blocks.push({ kind, lines: lines.slice(at, end) })
    at = end
  }
  return blocks
}

const Shown = ({ block: { kind, lines }, images }: { readonly block: Block; readonly images: Images }) => {
  const text = lines.join("\n")
  if (kind === "code") return <pre>{text}</pre>
  if (kind === "table") return <Table lines={lines} images={images} />
  if (kind === "heading") {
    const level = Math.min(6, /^#+/.exec(text)![0].length + 1)
    const Heading = `h${level}` as "h2"
    return (
      <Heading>
        <Inline text={text.replace(/^#+ /, "")} images={images} />
      </Heading>
    )
  }
  if (kind === "list") {
    const items = text.split(/\n(?=\s*(?:[-*+]|\d+\.) )/)
    return (
      <ul>
        {items.map((item, index) => (
          <li key={index}>
            <Inline text={item.replace(/^\s*([-*+]|\d+\.) /, "")} images={images} />
          </li>
        ))}
      </ul>
    )
  }
  const inline = <Inline text={text.replaceAll(/^> ?/gm, "")} images={images} />
  return kind === "quote" ? <blockquote>{inline}</blockquote> : <p>{inline}</p>
}

export const Markdown = ({ images, text }: { readonly text: string; readonly images: Images }) => (
  <article class="markdown">
    {blocksOf(text).map((block, index) => (
      <Shown key={index} block={block} images={images} />
    ))}
  </article>
)
