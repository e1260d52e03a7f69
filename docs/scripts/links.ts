/** Links in the repository's Markdown files: which of them lead to no file or to no heading. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"

/** A heading's anchor, as GitHub and VitePress both make it of plain words. */
export const anchorOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-")

/** Text without what is code, where brackets are no links. */
const withoutCode = (text: string): string =>
  text.replaceAll(/^(`{3,}|~{3,})[\s\S]*?^\1/gm, "").replaceAll(/`[^`\n]*`/g, "")

const anchorsIn = (text: string): ReadonlySet<string> => {
  const prose = text.replaceAll(/^(`{3,}|~{3,})[\s\S]*?^\1/gm, "")
  return new Set([...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading)))
}

/** The links of a Markdown text that stay within the repository. */
const linksIn = (text: string): ReadonlyArray<string> =>
  [...withoutCode(text).matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target))

/** Why a link of a file leads nowhere; undefined when it does lead somewhere. */
const faultOf = (root: string, file: string, link: string): string | undefined => {
  const [path = "", anchor = ""] = link.split("#", 2)
  const target = path === "" ? join(root, file) : resolve(root, dirname(file), path)
  if (!existsSync(target)) return `${file}: ${link} is no file`
  if (file.startsWith("docs/") && relative(join(root, "docs"), target).startsWith(".."))
    return `${file}: ${link} is not a part of the site`
  return anchor === "" || !target.endsWith(".md") || anchorsIn(readFileSync(target, "utf8")).has(anchor)
    ? undefined
    : `${file}: ${link} is no heading`
}

/** The Markdown files that people read: all but what is generated from the API, fixtures, and other projects' files. */
export const markdownFiles = (root: string): ReadonlyArray<string> =>
  globSync("{*.md,docs/**/*.md,examples/**/*.md,packages/*/*.md}", {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|fixtures|dist|build|api)(\/|$)/.test(path)
  }).sort()

/** One sentence for each dead link. */
export const deadLinks = (root: string): ReadonlyArray<string> =>
  markdownFiles(root).flatMap((file) =>
    linksIn(readFileSync(join(root, file), "utf8")).flatMap((link) => faultOf(root, file, link) ?? [])
  )
