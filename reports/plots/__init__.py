"""Pictures of results: functions of arrays that draw on a matplotlib axes and return it."""
