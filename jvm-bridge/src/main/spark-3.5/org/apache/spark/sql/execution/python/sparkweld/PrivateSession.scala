package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.sql.SparkSession

/** Forwards the `private[sql]` members of Spark 3's sessions. */
object PrivateSession {
  def withActive[T](session: SparkSession)(body: => T): T = session.withActive(body)
}
