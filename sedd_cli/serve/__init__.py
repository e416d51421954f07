"""The local endpoint: OpenAI's and llama.cpp's requests over HTTP. The only package that imports starlette."""
