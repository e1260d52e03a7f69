/** A thread that encodes documents. */
import { serve } from "../threads/serve.ts"
import { open } from "./encodeBatch.ts"

serve(open)
