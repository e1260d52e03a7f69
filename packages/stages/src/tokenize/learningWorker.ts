/** A thread that learns merges. */
import { serve } from "../threads/serve.ts"
import { open } from "./learning.ts"

serve(open)
