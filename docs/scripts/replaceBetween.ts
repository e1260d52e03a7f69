/** Parts of a page that a program writes: between two comments of its source. */

/** The page with what stands between the comments replaced, the comments kept; undefined where it lacks one of them. */
export const replaceBetween = (
  page: string,
  { begin, end }: { readonly begin: string; readonly end: string },
  part: string
): string | undefined => {
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  return from === -1 || to === -1 ? undefined : page.slice(0, from + begin.length) + part + page.slice(to)
}
