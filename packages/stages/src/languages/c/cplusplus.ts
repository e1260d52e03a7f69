/** Sections of C texts that only a C++ compiler reads. */

const asksForCplusplus = (line: string): boolean =>
  /^(ifdef\s+__cplusplus|if\s+defined\s*\(?\s*__cplusplus\s*\)?)\s*(\/[/*].*)?$/.test(
    line.trim().replace(/^#\s*/, "")
  )

/**
 * The text without the sections for C++ alone (`#ifdef __cplusplus` and its variants, mostly around `extern "C"`). They are replaced by
 * spaces, so that every position stays. A section that is never closed reaches to the end.
 */
export const withoutCplusplus = (text: string): string => {
  if (!text.includes("__cplusplus")) return text
  /** For each open conditional, whether it asks for C++, and whether its C++ branch is being read. */
  const conditionals: Array<{ readonly forCplusplus: boolean; skipping: boolean }> = []
  const blanked = (line: string): boolean => {
    const directive = /^\s*#\s*(if|ifdef|ifndef|else|elif|endif)\b/.exec(line)?.[1]
    const skipping = conditionals.some((each) => each.skipping)
    if (directive?.startsWith("if")) {
      const forCplusplus = asksForCplusplus(line)
      conditionals.push({ forCplusplus, skipping: forCplusplus })
      return forCplusplus || skipping
    }
    if (directive === "else") {
      const conditional = conditionals.at(-1)
      if (conditional?.forCplusplus) {
        conditional.skipping = false
        return true
      }
    }
    if (directive === "endif") return (conditionals.pop()?.forCplusplus ?? false) || skipping
    return skipping
  }
  return text
    .split("\n")
    .map((line) => (blanked(line) ? line.replace(/[^\r]/g, " ") : line))
    .join("\n")
}
