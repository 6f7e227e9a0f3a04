"""Everything the offline model says of itself in English. The same keys as `text_ko`."""

SAY = {
    "hello": "Hello! How can I help you?",
    "thanks": "You are welcome. Tell me if there is anything else.",
    "who": "I am neither a person nor an LLM: I am the bundled offline model, which works without an LLM and only"
    " passes on what its tools know.",
    "cannot": "I am sorry, I cannot answer that. I am the bundled offline model, which works without an LLM and only"
    " knows what its tools can find out.",
    "empty": "Please write in words what I can help you with. I am the bundled offline model, which works without an"
    " LLM.",
    "abilities": "This is what I can help you with:",
    "no_tools": "No tools are connected right now, so I can only say hello.",
    "line": "- {text}",
    "ask": "For the {label}, please tell me: {what}.",
    "ask_for_more": "To see one of them in detail, tell me: {what}.",
    "choices": "{what} (one of {choices})",
    "source": "(Source: the tool {label}, {name})",
    "failed": "The tool {label} ({name}) could not do it: {message}",
    "unknown": "The server stopped while the tool {label} ({name}) was running: it is not known whether it went"
    " through. I did not run it again.",
    "unknown_check": "Please check whether it went through before you ask for it again.",
    "unknown_seen": "This is what I can see now:",
    "not_done": "As you said, I have not requested or changed anything.",
    "nothing": "The result holds nothing to tell.",
    "no_passage": "The documents I found do not say anything that fits your question.",
    "file_read": "I have read {name}. Ask me about what is in it.",
    "file_unread": "I have received {name}, but I cannot read what is in it.",
    "from_passages": "The documents say:",
    "passage_source": "[{number}] {title}",
    "page": "{title}, p. {page}",
    "untitled": "untitled document",
    "more": "… and {count} more",
    "yes": "yes",
    "no": "no",
    "none": "none",
    "day": "{year}-{month:02}-{day:02}",
    "moment": "{year}-{month:02}-{day:02} {hour:02}:{minute:02} (UTC)",
}
FIELDS: dict[str, str] = {
    "price_krw": "price", "total_krw": "total", "amount_krw": "amount", "order_number": "order number",
}
"""What fields of results are called; a field that is not here is told by its own name."""
