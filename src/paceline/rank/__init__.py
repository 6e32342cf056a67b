"""Stage 4: trials → Ranking. `rank` orders variants, `compare_quality` compares two of them."""

from paceline.rank.quality import compare_quality
from paceline.rank.ranking import rank

__all__ = ["compare_quality", "rank"]
