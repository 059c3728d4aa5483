"""What the documentation is made with: pages from the program, numbers from the benchmarks, pictures of the window."""
