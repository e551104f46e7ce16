"""The proofreading page: people check what the recogniser wrote before a voice is trained on it.

rows.py      a clip's text as it stands, and the recogniser's to begin with
edits.py     what a reviewer may do to clips, as pure functions from rows to changed rows
log.py       the append-only record of changes: SQLite in a run's folder, conditional writes on S3
review.py    rows = recogniser's rows + log; every change goes through here
runs.py      which runs there are at a location, and their files
sound.py     the audio and waveform of a clip, also of one that is still to be cut
access.py    who may see what
approved.py  what was approved, as a file; approval.py writes it and lets the run go on
revising.py  the approved clips and transcripts, for the stage `apply-review`
guard.py     what every request must be like
app.py       the web server; answers.py what it tells the page; static/ is what runs in the browser
"""
