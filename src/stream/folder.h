/* SPDX-License-Identifier: BSD-3-Clause */
/* Where sockets of one host live: a fresh folder that only its user may enter. Run folders can lie
 * too deep (a socket's path has 107 bytes at most) or on file systems without sockets, so it is
 * made in $XDG_RUNTIME_DIR, $TMPDIR, /tmp, /var/tmp or /dev/shm, wherever there is room. */
#ifndef COX_STREAM_FOLDER_H
#define COX_STREAM_FOLDER_H

#include <stddef.h>

#include "cox/err.h"

#define COX_FOLDER_SIZE 100
#define COX_SOCKET_NAME "socket" /* of the one that it is made for; owners may add others */

/* The i-th place that there is to try, NULL after the last. */
const char *cox_folder_place(int i);
/* Makes "PLACE/cox-XXXXXX" with mode 0700. */
int cox_folder_create(char folder[COX_FOLDER_SIZE], const char *place,
                      struct cox_err *err) COX_MUST_CHECK;
/* With all sockets in it; best effort. */
void cox_folder_remove(const char *folder);
/* Removes what killed processes of this user left in `place`: folders of this name, a minute old,
 * with nothing in them but sockets that nobody listens to. */
void cox_folder_sweep(const char *place);

#endif
