"""Gemini: generateContent and streamGenerateContent, of AI Studio, Vertex AI and Code Assist."""
