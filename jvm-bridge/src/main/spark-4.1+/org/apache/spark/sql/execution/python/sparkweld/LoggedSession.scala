package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.sql.classic.SparkSession
import org.apache.spark.sql.internal.SQLConf

/** Finds the session whose table receives the log records of Python workers. */
private[python] object LoggedSession {
  def of(conf: SQLConf): Option[String] =
    if (conf.pythonWorkerLoggingEnabled) SparkSession.getActiveSession.map(_.sessionUUID) else None
}
