"""The bundled model: no network, no weights, no key. Honest about what it is, and never pretends to be an LLM.

It chooses tools by meaning (a bilingual lexicon, stems and character bigrams against what the tools say of themselves),
fills their arguments from the text by their JSON schema, and answers by extraction from what they return, in the
language of the question, naming the tool. What it cannot do it says. The same messages always get the same answer,
and given its own half-written answer it writes exactly the rest (`malgil.agents.errors.CannotContinue` otherwise).

Conventions a tool may follow, none of which it must:

- `say` in a result: {"ko": text, "en": text} or one text, finished sentences that are told as they are. Without it the
  result is told field by field; of fields in two languages (`name_ko`, `name_en`) the answer's language is told.
- `passages` in a result: [{"text", "title"?, "page"?}, …], answered by the sentences that fit the question, cited [1].
- `error` ({"code", "message"}) and `outcome: "unknown"` in a result: told as a failure, or as not known.
- `title` (`한국어 / English`) and `idempotent` in a ToolDefinition's metadata: what people call the tool, and whether
  it only reads. A tool that acts, by that or by a name like `create_…` or `request_…`, is called for a plain request
  only: never for a question, a quotation or a negation.
- A parameter's description may name it in both languages, parted by a comma: `주문 번호, the order number`.
"""
