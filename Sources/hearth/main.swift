// The command line: the first word says what to do.

CommandLineTool(Array(CommandLine.arguments.dropFirst())).run()
