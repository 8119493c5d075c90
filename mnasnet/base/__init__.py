"""What every part stands on: errors, words, files, other people's libraries; nothing of networks."""
