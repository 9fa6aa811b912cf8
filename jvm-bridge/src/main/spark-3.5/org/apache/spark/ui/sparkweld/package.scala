package org.apache.spark.ui

package object sparkweld {
  /** The request of a page. */
  type Request = javax.servlet.http.HttpServletRequest
}
