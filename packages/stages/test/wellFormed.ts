/** Checks that every tag is closed by its like and every special character is escaped: what a strict reader asks. */
export const wellFormed = (xml: string): boolean => {
  const open: Array<string> = []
  const rest = xml
    .replace(/^<\?xml[^?]*\?>/, "")
    .replace(
      /<(\/?)([\w-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
      (_, close: string, name: string, _attributes: string, single: string) => {
        if (close !== "") {
          if (open.pop() !== name) open.push("mismatch", "mismatch")
        } else if (single === "") open.push(name)
        return ""
      }
    )
  return open.length === 0 && !/[<>]/.test(rest) && !/&(?!(?:amp|lt|gt|quot|apos|#\d+);)/.test(xml)
}
