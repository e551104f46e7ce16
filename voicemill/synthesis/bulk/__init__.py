"""Speaking a script of very many lines, by one voice or several: planned, spoken in shards, gathered in order.

plan/plan.json      the shards: of each its name, voice, speaker and number of lines
plan/00000.jsonl    the lines of a shard, all of one voice, in the script's order
plan/empty.jsonl    lines on which there is nothing
"""

from voicemill.synthesis.bulk.gathering import Spoken, gather
from voicemill.synthesis.bulk.planning import Plan, Shard, plan, read_plan

__all__ = ["Plan", "Shard", "Spoken", "gather", "plan", "read_plan"]
