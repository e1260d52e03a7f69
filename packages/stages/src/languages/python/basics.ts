/** What is known of Python without its tools. Separate from them, so that training does not depend on a compiler. */
export const basics = {
  name: "python",
  title: "Python",
  endings: ["py"],
  prompts: ["def main", "class", "import", "if __name__"]
} as const
