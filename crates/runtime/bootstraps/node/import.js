'use strict';

// Apart, because Node 8 and 10 do not read the syntax.
module.exports = (url) => import(url);
