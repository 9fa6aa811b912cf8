"""Lists the attributes of pandas objects that no row-local function may read."""

from __future__ import annotations

#: Attributes of Series whose values depend on other rows, on the number of rows or on the index.
ROW_MIXING = frozenset(
    """size shape index empty iloc iat at head tail sample sort_values sort_index cumsum cumprod cummax cummin shift diff
    pct_change mean sum std var sem min max median mode any all prod product rank quantile unique nunique duplicated
    drop_duplicates rolling expanding ewm groupby resample describe value_counts count skew kurt kurtosis cov corr autocorr
    argmax argmin argsort idxmax idxmin nlargest nsmallest ffill bfill pad backfill interpolate dropna drop reindex align append
    explode
    factorize hasnans is_unique is_monotonic_increasing is_monotonic_decreasing first_valid_index last_valid_index searchsorted
    dot take truncate asof agg aggregate transform filter first last name axes keys items squeeze repeat reset_index
    compare update swaplevel droplevel unstack stack nbytes memory_usage flags attrs set_axis set_flags
    asfreq between_time at_time reindex_like reorder_levels""".split()
)
VALUES = frozenset("tolist to_list to_dict to_string to_json to_csv item bool __iter__ iteritems array".split())
IN_PLACE = frozenset("insert pop __delitem__".split())
