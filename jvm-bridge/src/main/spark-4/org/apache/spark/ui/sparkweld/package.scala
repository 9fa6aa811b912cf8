package org.apache.spark.ui

package object sparkweld {
  /** The request of a page. */
  type Request = jakarta.servlet.http.HttpServletRequest
}
