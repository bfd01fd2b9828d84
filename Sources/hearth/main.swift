// The command line: the first word says what to do.

CommandLineTool(CommandWords.all).run()
