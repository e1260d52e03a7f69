/** What is known of C without its tools. Separate from them, so that training does not depend on a compiler. */
export const basics = {
  name: "c",
  title: "C",
  endings: ["c", "h"],
  prompts: ["int main", "struct", "#include", "void function"]
} as const
