// For the files of this folder alone.

#pragma once

/// Why the last call failed; forgets it.
void copenssl_explain(char *reason);
