"""What people see: tables, Markdown, HTML, pictures."""
