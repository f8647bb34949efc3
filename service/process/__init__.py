"""The life of the server's processes, from the port to the exit code.

settings -> sockets bound -> one process --------------------> models loaded -> work -> drained -> exit code
                          \\-> supervisor -> N workers, each as the one above -> its verdict on them
"""
